//go:build !linux

package upstream

import "net"

const watchable = false

type socket struct{}

func (socket) watch(net.Conn) error        { return nil }
func (socket) quiet() bool                 { return false }
func (socket) acknowledged() (int64, bool) { return 0, false }
