package ownfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// private is the security of what only we may use, the system and its
// administrators aside, who may whatever a list says. What is made in a directory
// inherits it. [MS-DTYP] §2.5.1
func private() (*windows.SecurityAttributes, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	us := user.User.Sid.String()
	sd, err := windows.SecurityDescriptorFromString(fmt.Sprintf("O:%sD:P(A;OICI;FA;;;%s)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", us, us))
	if err != nil {
		return nil, err
	}
	return &windows.SecurityAttributes{Length: uint32(unsafe.Sizeof(windows.SecurityAttributes{})), SecurityDescriptor: sd}, nil
}

// MkdirAll makes a directory, and those above it that are not there.
func MkdirAll(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return &fs.PathError{Op: "mkdir", Path: dir, Err: windows.ERROR_DIRECTORY}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if up := filepath.Dir(dir); up != dir {
		if err := MkdirAll(up); err != nil {
			return err
		}
	}
	sa, err := private()
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	name, err := windows.UTF16PtrFromString(dir)
	if err == nil {
		err = windows.CreateDirectory(name, sa)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return nil
}

// Create makes a file to write to; fs.ErrExist, wrapped, when there is something
// of that name, be it a link.
func Create(path string) (*os.File, error) { return create(path, windows.CREATE_NEW) }

// Open opens a file to read and write it, and makes one that is not there.
func Open(path string) (*os.File, error) { return create(path, windows.OPEN_ALWAYS) }

func create(path string, how uint32) (*os.File, error) {
	sa, err := private()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE,
		windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, sa, how, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}

// CreateTemp is os.CreateTemp.
func CreateTemp(dir, pattern string) (*os.File, error) {
	before, after, _ := strings.Cut(pattern, "*")
	return Create(filepath.Join(dir, before+rand.Text()+after))
}

// lockAt is beyond the end of every file: a lock keeps nobody from reading. LockFileEx
const lockAt = 1 << 30

// TryLock locks an open file until it is closed, at the latest with the process.
func TryLock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
		&windows.Overlapped{OffsetHigh: lockAt})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}

// Replace gives a file the name of another, which is gone then. Who has that open
// to read it is waited for, a little.
func Replace(from, to string) error {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Rename(from, to)
		if !inUse(err) || time.Now().After(end) {
			return err
		}
	}
}

// Remove removes a file. Who has it open to read it is waited for, a little.
func Remove(path string) error {
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Remove(path)
		if !inUse(err) || time.Now().After(end) {
			return err
		}
	}
}

func inUse(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// SyncDir does nothing: the file system keeps names by a log of its own.
func SyncDir(string) error { return nil }

// Alone makes a file that is there as long as it is open, and waits for whoever
// has it open. It ends with the process, however that ends.
func Alone(path string) (done func(), err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	for denied := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		h, err := windows.CreateFile(name, windows.GENERIC_READ, 0, nil, windows.OPEN_ALWAYS,
			windows.FILE_ATTRIBUTE_HIDDEN|windows.FILE_FLAG_DELETE_ON_CLOSE, 0)
		switch {
		case err == nil:
			return func() { _ = windows.CloseHandle(h) }, nil
		case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		case errors.Is(err, windows.ERROR_ACCESS_DENIED) && time.Now().Before(denied): // it is being deleted
		default:
			return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
		}
	}
}
