//! T13: secrets stay out of logs, errors, argv, core dumps and swap.
