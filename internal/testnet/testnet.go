// Package testnet keeps tests on this machine: a test file that imports it for its effect makes every look-up of a host
// name fail at once, unless /etc/hosts knows the name, as it does localhost.
//
//	import _ "leadsync/internal/testnet" // tests reach no other machine
//
// Guarantee: the default configuration points at HubSpot, and a test that forgets to point elsewhere fails with a
// sentence instead of sending somebody's data there. It holds for the whole test binary, also when that starts itself
// again as another process. It does not stop a connection to a bare address, nor what another program does that a test
// starts.
//
// Design: everything of ours is reached by name, and net.DefaultResolver is the one hook that all dialers share,
// whatever transport or database driver they sit in; a dialer handed down to each would guard only those that take it.
// The effect comes with the import and not from a function in TestMain, since most packages have no TestMain and need
// none.
package testnet

import (
	"context"
	"errors"
	"net"
)

// ErrAway is what a look-up of another machine's name ends with; the net package keeps its text only.
var ErrAway = errors.New("testnet: tests reach no other machine than this; give the test a loopback address")

func init() {
	net.DefaultResolver = &net.Resolver{
		PreferGo: true, // the C library would ask the name server past Dial
		Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, ErrAway },
	}
}
