package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotFound is returned for a program that is not where it was looked for.
var ErrNotFound = errors.New("program not found")

// Resolve returns the absolute path of the program that a configuration names.
// A name with a separator is taken relative to dir; any other is looked for in
// the directories of path, a PATH. Relative directories in there are passed
// over: what they hold depends on where somebody stands.
//
// It is called once, when the configuration is loaded, so that a program which
// appears earlier in PATH afterwards is not run.
func Resolve(program, path, dir string) (string, error) {
	if program == "" || strings.ContainsRune(program, 0) {
		return "", fmt.Errorf("%w: %q", ErrNotFound, program)
	}
	if strings.ContainsRune(filepath.ToSlash(program), '/') {
		if !filepath.IsAbs(program) {
			program = filepath.Join(dir, program)
		}
		if !filepath.IsAbs(program) {
			return "", fmt.Errorf("%q is relative, and so is the directory it is relative to", program)
		}
		if err := runnable(program); err != nil {
			return "", err
		}
		return program, nil
	}
	passedOver := ""
	for _, d := range filepath.SplitList(path) {
		if !filepath.IsAbs(d) {
			passedOver = " (relative directories in PATH are passed over)"
			continue
		}
		for _, name := range files(program) {
			file := filepath.Join(d, name)
			if !isProgram(file) {
				continue
			}
			if err := runnable(file); err != nil {
				return "", err
			}
			return file, nil
		}
	}
	return "", fmt.Errorf("%w: %q in PATH%s", ErrNotFound, program, passedOver)
}

func isProgram(file string) bool {
	info, err := os.Stat(file)
	return err == nil && !info.IsDir() && executable(info.Mode())
}

// runnable refuses a program that anybody on this machine could replace, or one
// that only a shell can run. It judges the file, what a link leads to, and the
// directories of both.
func runnable(file string) error {
	if err := plainProgram(file); err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s", ErrNotFound, file)
		}
		return fmt.Errorf("find %s: %w", file, err)
	}
	if !isProgram(target) {
		return fmt.Errorf("%s is not an executable file", file)
	}
	for _, p := range []string{target, filepath.Dir(target), filepath.Dir(file)} {
		info, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("look at %s: %w", p, err)
		}
		// In a sticky directory only the owner can replace a file.
		if open := replaceable(info.Mode()); open && (!info.IsDir() || info.Mode()&fs.ModeSticky == 0) {
			return fmt.Errorf("%s can be written by everybody on this machine, so %s is not run: chmod o-w %s", p, file, p)
		}
	}
	return nil
}
