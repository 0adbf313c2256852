//! The only file that knows devices: CPU now, CUDA and Metal as features that forward to candle.
