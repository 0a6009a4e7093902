package ownfile

import (
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Rights that tell nobody what is in a file, and let nobody change it.
const harmless = windows.READ_CONTROL | windows.SYNCHRONIZE | windows.FILE_READ_ATTRIBUTES | windows.FILE_READ_EA | windows.FILE_EXECUTE |
	windows.GENERIC_EXECUTE

// Rights to read what is in a file or directory.
const reading = harmless | windows.FILE_READ_DATA | windows.GENERIC_READ

// Readable says who else than its owner may use an open file or directory, as in
// "BUILTIN\Users", or whose it is; empty: nobody, and it is ours. The system and
// the administrators are not counted.
func Readable(f *os.File) (string, error) { return judge(f, harmless) }

// Writable says who else may change an open file, or what is in a directory.
func Writable(f *os.File) (string, error) { return judge(f, reading) }

// judge returns the first that has other rights than some. What it does not
// understand counts against the file.
func judge(f *os.File, may windows.ACCESS_MASK) (string, error) {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return "", err
	}
	return judgeSD(sd, may)
}

func judgeSD(sd *windows.SECURITY_DESCRIPTOR, may windows.ACCESS_MASK) (string, error) {
	us, err := trusted()
	if err != nil {
		return "", err
	}
	ours := func(sid *windows.SID) bool { return slices.ContainsFunc(us, sid.Equals) }
	owner, _, err := sd.Owner()
	switch {
	case err != nil:
		return "", err
	case owner == nil || !ours(owner):
		return "another account, " + named(owner), nil
	}
	list, _, err := sd.DACL()
	if err != nil {
		return "", err
	}
	if list == nil { // no list at all admits everybody. [MS-DTYP] §2.5.3.2
		return "everybody", nil
	}
	for i := range uint32(list.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &ace); err != nil {
			return "", err
		}
		switch ace.Header.AceType {
		case windows.ACCESS_DENIED_ACE_TYPE: // takes away only
		case windows.ACCESS_ALLOWED_ACE_TYPE:
			if sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart)); ace.Mask&^may != 0 && !ours(sid) {
				return named(sid), nil
			}
		default:
			return "an entry of an unknown kind", nil
		}
	}
	return "", nil
}

// trusted are ourselves, and who may everything whatever a list says. An owner is
// one of them, or the file is refused, so its own rights and those that its
// successors inherit are theirs.
func trusted() ([]*windows.SID, error) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	all := []*windows.SID{user.User.Sid}
	for _, kind := range []windows.WELL_KNOWN_SID_TYPE{
		windows.WinLocalSystemSid, windows.WinBuiltinAdministratorsSid, windows.WinCreatorOwnerSid, windows.WinCreatorOwnerRightsSid,
	} {
		sid, err := windows.CreateWellKnownSid(kind)
		if err != nil {
			return nil, err
		}
		all = append(all, sid)
	}
	return all, nil
}

func named(sid *windows.SID) string {
	if sid == nil {
		return "nobody"
	}
	if account, domain, _, err := sid.LookupAccount(""); err == nil {
		if domain == "" {
			return account
		}
		return domain + `\` + account
	}
	return sid.String()
}

// CopyAccess gives a file the access list of another.
func CopyAccess(to, from string) error {
	sd, err := windows.GetNamedSecurityInfo(from, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	list, _, err := sd.DACL()
	if err != nil {
		return err
	}
	control, _, err := sd.Control()
	if err != nil {
		return err
	}
	what := windows.SECURITY_INFORMATION(windows.DACL_SECURITY_INFORMATION | windows.UNPROTECTED_DACL_SECURITY_INFORMATION)
	if control&windows.SE_DACL_PROTECTED != 0 { // it inherits nothing
		what = windows.DACL_SECURITY_INFORMATION | windows.PROTECTED_DACL_SECURITY_INFORMATION
	}
	return windows.SetNamedSecurityInfo(to, windows.SE_FILE_OBJECT, what, nil, nil, list, nil)
}
