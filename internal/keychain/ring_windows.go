package keychain

import (
	"errors"

	"golang.org/x/sys/windows"
)

// absent says whether this logon session has no credentials of its own, as those
// of services and of the network have none.
func absent(err error) bool { return errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION) }
