//go:build !linux && !windows

package keychain

// absent takes every failure for one of a keyring that is there: macOS always has one.
func absent(error) bool { return false }
