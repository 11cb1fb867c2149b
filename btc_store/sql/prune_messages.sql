-- Forget what was said before a time; what waits for a channel until then will never be taken.
DELETE FROM alert_messages WHERE created_at < $1
