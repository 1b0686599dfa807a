//go:build !linux

package demo

import "syscall"

// dieWithParent: elsewhere a demo that is itself killed leaves its daemon running; it ends with every other way to stop
// a demo.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
