package rotation

// movesOpenFiles is false: a file must be closed before it gets a new name.
const movesOpenFiles = false
