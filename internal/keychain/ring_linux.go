package keychain

import (
	"errors"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

const (
	secrets      = "org.freedesktop.secrets"
	secretsPath  = "/org/freedesktop/secrets"
	secretsIface = "org.freedesktop.Secret.Service"
)

// absent says whether a keyring gave nothing because there is none: no session
// bus, nobody on it who keeps secrets, or nowhere for them. A collection that is
// locked is one. Secret Service API §3.2
func absent(error) bool {
	bus, err := dbus.SessionBus()
	if err != nil {
		return true
	}
	o := bus.Object(secrets, secretsPath)
	var at dbus.ObjectPath
	if err := o.Call(secretsIface+".ReadAlias", 0, "default").Store(&at); err != nil {
		return nobody(err)
	}
	if at != "/" {
		return false
	}
	v, err := o.GetProperty(secretsIface + ".Collections")
	if err != nil {
		return nobody(err)
	}
	all, _ := v.Value().([]dbus.ObjectPath)
	return !slices.Contains(all, secretsPath+"/collection/login") // which is taken before the default
}

// nobody says whether a call failed because nobody has the name, or can be started for it.
func nobody(err error) bool {
	var e dbus.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Name {
	case "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner":
		return true
	}
	return strings.HasPrefix(e.Name, "org.freedesktop.DBus.Error.Spawn.")
}
