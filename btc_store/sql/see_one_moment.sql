-- Let all that this transaction reads be of one moment; before anything else in it.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
