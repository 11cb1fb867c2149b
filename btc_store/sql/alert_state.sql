-- What the last look knew.
SELECT decided_through FROM alert_state
