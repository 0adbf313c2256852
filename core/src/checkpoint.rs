//! Finds a model (folder, Hub cache, embedded), maps its weights and hashes them.
