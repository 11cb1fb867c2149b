-- Whether something was said already.
SELECT EXISTS (SELECT FROM alert_messages WHERE key = $1)
