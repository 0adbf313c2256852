//! The decoders: config.json to one struct, weights, one block.
