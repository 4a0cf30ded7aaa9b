//! That the oracle can fail and can pass.
