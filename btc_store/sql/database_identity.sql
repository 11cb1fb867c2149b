-- Which database this is: its own mark, and its name, which tells a copy on the same server from the original.
SELECT id || '/' || current_database() FROM database_identity
