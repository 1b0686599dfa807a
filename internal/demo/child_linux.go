package demo

import "syscall"

// dieWithParent puts a child into a process group of its own, so that Ctrl-C reaches it through the demo alone, and has
// the kernel kill it when the demo is gone, however it went.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
