package store

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// lockable returns ErrFileSystem when dir is on a network file system: there
// SQLite's locks and shared memory do not hold. sqlite.org/wal.html §1
func lockable(dir string) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("file system of %s: %w", dir, err)
	}
	if name := network(uint32(s.Type)); name != "" { // magic numbers have 32 bits; Type is wider on some machines
		return fmt.Errorf("%w: %s is on %s", ErrFileSystem, dir, name)
	}
	return nil
}

// network names the network file system of a magic number; empty: another kind. statfs(2)
func network(magic uint32) string {
	switch magic {
	case 0x6969:
		return "NFS"
	case 0xff534d42, 0xfe534d42, 0x517b:
		return "SMB"
	case 0x01021997:
		return "9P"
	case 0x00c36400:
		return "Ceph"
	case 0x5346414f:
		return "AFS"
	}
	return ""
}

// owned returns ErrPermissions when path is somebody else's.
func owned(path string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to user %d, this program runs as %d", ErrPermissions, path, st.Uid, os.Geteuid())
	}
	return nil
}
