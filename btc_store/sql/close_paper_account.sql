-- Drop a paper account with all that hangs on it: it is opened anew.
DELETE FROM paper_accounts WHERE strategy = $1 AND symbol = $2 AND interval = $3
