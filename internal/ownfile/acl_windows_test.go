package ownfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

func TestAccessLists(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	us := user.User.Sid.String()
	for sddl, want := range map[string][2]bool{ // whether others may read, and write
		"O:" + us + "D:P(A;OICI;FA;;;" + us + ")(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)": {},
		"O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)":                                         {},
		"O:" + us + "D:P(A;;FA;;;" + us + ")(A;;0x20;;;WD)":                       {}, // passes through
		"O:" + us + "D:P(A;;FA;;;" + us + ")(D;;FA;;;WD)":                         {}, // is shut out
		"O:" + us + "D:P(A;;FA;;;" + us + ")(A;;FR;;;WD)":                         {true, false},
		"O:" + us + "D:P(A;;FA;;;" + us + ")(A;OICIIO;GR;;;BU)":                   {true, false},
		"O:" + us + "D:P(A;;FA;;;" + us + ")(A;;FW;;;BU)":                         {true, true},
		"O:" + us + "D:P(A;;FA;;;" + us + ")(A;;WD;;;BU)":                         {true, true}, // may change the list
		"O:" + us + "D:P(A;;FA;;;" + us + ")(A;;SD;;;AU)":                         {true, true},
		"O:WDD:P(A;;FA;;;" + us + ")":                                             {true, true},
	} {
		sd, err := windows.SecurityDescriptorFromString(sddl)
		if err != nil {
			t.Errorf("%s: %v", sddl, err)
			continue
		}
		read, err := judgeSD(sd, harmless)
		write, err2 := judgeSD(sd, reading)
		if err := errors.Join(err, err2); err != nil || (read != "") != want[0] || (write != "") != want[1] {
			t.Errorf("%s: got %q and %q, %v; want %v", sddl, read, write, err, want)
		}
	}
	open, err := windows.NewSecurityDescriptor()
	if err == nil {
		err = errors.Join(open.SetOwner(user.User.Sid, false), open.SetDACL(nil, true, false))
	}
	if err != nil {
		t.Fatal(err)
	}
	if who, err := judgeSD(open, reading); who != "everybody" || err != nil {
		t.Errorf("without a list: got %q, %v", who, err)
	}
}

func TestWhatIsMadeIsForUsAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := errors.Join(MkdirAll(dir), MkdirAll(dir)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "secret")
	made, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{d, made} {
		if who, err := Readable(f); who != "" || err != nil {
			t.Errorf("%s: %q, %v", f.Name(), who, err)
		}
		_ = f.Close()
	}
}

func TestOnlyOneHasALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var files [2]*os.File
	for i := range files {
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = f
	}
	if err := TryLock(files[0]); err != nil {
		t.Fatal(err)
	}
	if err := TryLock(files[1]); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	_ = files[0].Close()
	if err := TryLock(files[1]); err != nil {
		t.Errorf("after it ended: %v", err)
	}
	_ = files[1].Close()
	first := make(chan struct{})
	done, err := Alone(path + "2")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(first)
		if again, err := Alone(path + "2"); err != nil {
			t.Error(err)
		} else {
			again()
		}
	}()
	select {
	case <-first:
		t.Error("two have the lock")
	case <-time.After(100 * time.Millisecond): // for it to come to the lock, which nobody sees
	}
	done()
	<-first
	if _, err := os.Stat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
}
