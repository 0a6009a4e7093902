//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestA216_SecretFilesAreForOurEyes covers the hygiene of files with secrets.
func TestA216_SecretFilesAreForOurEyes(t *testing.T) {
	const text = "gatehouse-canary"
	write := func(mode os.FileMode, data string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name, err string
		make      func(t *testing.T, path string)
	}{
		{"a file of ours", "", write(0o600, text)},
		{"one that we may only read", "", write(0o400, text)},
		{"one line end", "", write(0o600, text+"\n")},
		{"one line end of Windows", "", write(0o600, text+"\r\n")},
		{"two line ends", "line break", write(0o600, text+"\n\n")},
		{"a file that others may read", "others may read (mode 0644)", write(0o644, text)},
		{"a file that the group may read", "others may read (mode 0640)", write(0o640, text)},
		{"a file that all may write", "others may read (mode 0666)", write(0o666, text)},
		{"a byte order mark", "byte order mark", write(0o600, "\ufeff"+text)},
		{"UTF-16", "byte order mark", write(0o600, "\xff\xfea\x00")},
		{"NUL", "NUL", write(0o600, "a\x00b")},
		{"an empty file", "is empty", write(0o600, "\n")},
		{"a large file", "larger than 64 KiB", write(0o600, strings.Repeat("x", maxSecret+1))},
		{"a pipe", "is not a plain file", func(t *testing.T, path string) {
			t.Helper()
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link to a file of ours", "", func(t *testing.T, path string) {
			t.Helper()
			write(0o600, text)(t, path+".real")
			if err := os.Symlink(path+".real", path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link to one that others may read", "others may read", func(t *testing.T, path string) {
			t.Helper()
			write(0o644, text)(t, path+".real")
			if err := os.Symlink(path+".real", path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a directory that others may write", "others may replace", func(t *testing.T, path string) {
			t.Helper()
			write(0o600, text)(t, path)
			if err := os.Chmod(filepath.Dir(path), 0o775); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link into a directory that others may write", "others may replace", func(t *testing.T, path string) {
			t.Helper()
			other := filepath.Join(t.TempDir(), "open")
			if err := os.Mkdir(other, 0o700); err != nil {
				t.Fatal(err)
			}
			write(0o600, text)(t, filepath.Join(other, "s"))
			if err := os.Chmod(other, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(other, "s"), path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a sticky directory", "", func(t *testing.T, path string) {
			t.Helper()
			write(0o600, text)(t, path)
			if err := os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "secret")
			tt.make(t, path)
			c, err := Parse("f", []byte("version: 1\nservers: [{name: a, stdio: {command: [x], secrets: {A: '${file:"+path+"}'}}}]\n"), Outside{})
			if tt.err == "" {
				if err != nil || c.Servers[0].Stdio.Secrets["A"].Reveal() != text {
					t.Errorf("got %v, want the secret", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

func TestA216_SecretFilesOfOthersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		info, err := os.Stat("/proc/self/mem") // nobody can give a file away; judge by what is there
		if err == nil && !trusted(info) {
			t.Error("a file of ours is not trusted")
		}
		return
	}
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(path, false); err == nil || !strings.Contains(err.Error(), "belongs to somebody else") {
		t.Errorf("got %v, want a refusal", err)
	}
	ours := path + ".ours"
	link := path + ".link"
	if err := os.WriteFile(ours, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecret(link, false); err == nil || !strings.Contains(err.Error(), "link of somebody else") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// systemd gives credentials to an account by an access list, which shows as a
// mode that groups may read.
func TestCredentialsOfSystemd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pepper")
	if err := os.WriteFile(path, []byte("from-systemd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o440); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string {
		return "version: 1\nservers: [{name: a, stdio: {command: [x], secrets: {A: '${file:" + name + "}'}}}]\n"
	}
	o := Outside{Lookup: func(string) (string, bool) { return dir, true }}
	for _, name := range []string{"pepper", path} {
		c, err := Parse("f", []byte(file(name)), o)
		if err != nil || c.Servers[0].Stdio.Secrets["A"].Reveal() != "from-systemd" {
			t.Errorf("%s: got %v, want the credential", name, err)
		}
	}
	if _, err := Parse("f", []byte(file(path)), Outside{}); err == nil {
		t.Error("the same file is accepted without systemd")
	}
	if _, err := Parse("f", []byte(file("../"+filepath.Base(dir)+"/pepper")), o); err == nil {
		t.Error("a name that leaves the directory is a credential")
	}
}

// TestA215_ConfigurationFilesThatAreRefused covers the file itself.
func TestA215_ConfigurationFilesThatAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"one that the group may write": {base, 0o664, "can be written by others (mode 0664)"},
		"one that all may write":       {base, 0o606, "can be written by others"},
		"an empty one":                 {"", 0o600, "is empty"},
		"a half-written one":           {base[:len(base)-9], 0o600, ":4:10: "},
		"one cut inside a section":     {base[:40], 0o600, ":2:"},
		"one that ends in NUL":         {base + "\x00\x00", 0o600, "was not written to its end"},
		"one with a byte order mark":   {"\ufeff" + base, 0o600, "byte order mark"},
		"a large one":                  {base + "#" + strings.Repeat("x", maxFile), 0o600, "larger than 1 MiB"},
	} {
		path := filepath.Join(t.TempDir(), "g.yaml")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, Outside{})
		if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	path := filepath.Join(t.TempDir(), "g.yaml")
	if err := os.WriteFile(path, []byte(base), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Outside{}); err != nil {
		t.Errorf("a file that others may read: got %v", err)
	}
	if err := syscall.Mkfifo(path+".pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path+".pipe", Outside{}); err == nil || !strings.Contains(err.Error(), "plain file") {
		t.Errorf("a pipe: got %v", err)
	}
}
