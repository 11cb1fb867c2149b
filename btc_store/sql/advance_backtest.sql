-- Say how far a backtest is, in [0, 1]; no row where it was cancelled or deleted meanwhile.
UPDATE backtest_runs SET progress = $2::float8::real WHERE id = $1::uuid AND status = 'running'
