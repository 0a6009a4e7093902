package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

type sig int

const (
	terminate sig = iota
	kill
)

// Programs on Windows do not start without these.
var alsoInherited = []string{"PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PATHEXT", "COMSPEC"}

// files are the names that a program's file may have. Windows starts none without an
// extension: npm puts a shell script of that name beside the batch file.
func files(program string) []string {
	all := []string{program + ".exe", program + ".com"}
	if filepath.Ext(program) != "" {
		all = append(all, program)
	}
	return all
}

func executable(fs.FileMode) bool  { return true }
func replaceable(fs.FileMode) bool { return false } // mode bits say nothing about it here

// plainProgram refuses batch files: cmd.exe runs them, and it takes arguments
// apart in its own way.
func plainProgram(file string) error {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".bat", ".cmd":
		return fmt.Errorf("%s is a batch file: name the program that it starts, such as node.exe and its script", file)
	}
	return nil
}

func confine()             {}
func onOwnThread(f func()) { go f() }

// Conceal does nothing on this system.
func Conceal() error { return nil }

func awaitExit(p *os.Process) *os.ProcessState {
	state, _ := p.Wait()
	return state
}

// account is somebody else to run a child as: never, on this system.
type account struct{ name, home string }

func accountOf(name string) (*account, error) {
	if name != "" {
		return nil, fmt.Errorf("user %q: this system cannot run a server as somebody else", name)
	}
	return nil, nil // nobody else is asked for
}

func (a *account) privileged() bool { return true }

// sysAttr has the child wait until it is in its group, and shows no window.
func sysAttr(*account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW}
}

var errNoDir = errors.New("not a directory")

func workingDir(dir string, _ *account) (string, error) {
	if dir == "" {
		return "", nil
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errNoDir
	}
	if err != nil {
		return "", fmt.Errorf("working directory %s: %w", dir, err)
	}
	return dir, nil
}

func explain(err error, _ *Spec, _ string, _ *account) error { return err }
