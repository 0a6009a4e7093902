//go:build !unix

package config

import "io/fs"

const nonBlocking = 0

// Mode bits say nothing here: the access list of the directory has to protect
// the files in it.
func private(string, fs.FileInfo) error { return nil }

func writable(fs.FileInfo) bool { return false }
