-- Delete reports from before a time.
DELETE FROM outbox WHERE created_at < $1
