// Package ownfile makes files and directories that are their owner's alone, locks
// and replaces them: by modes on Unix, by access lists on Windows. There it says
// who else may use one, too; on Unix that is in the mode, for whoever asks.
package ownfile

import "errors"

// ErrLocked says that somebody else has a lock.
var ErrLocked = errors.New("locked")
