-- Say that the live lane has looked at $1 and has nothing new to remember.
UPDATE live_state SET looked_at = $1
