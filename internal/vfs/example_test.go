package vfs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/steplog/steplog/internal/vfs"
)

// show prints what a file holds.
func show(fsys vfs.FS, name string) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	fmt.Printf("%q %v\n", b, err)
}

func ExampleOS() {
	dir, err := os.MkdirTemp("", "vfs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "user.log")
	f, err := vfs.OS().OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(f, "line\n")
	fmt.Println(f.Sync(), f.Close(), vfs.OS().SyncDir(dir))
	show(vfs.OS(), name)
	// Output:
	// <nil> <nil> <nil>
	// "line\n" <nil>
}

func ExampleMem_Crash() {
	m := vfs.NewMem()
	f, err := m.OpenFile("/user.log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	fmt.Fprint(f, "synced\n")
	show(m.Crash(nil, vfs.CrashOptions{}), "/user.log")
	fmt.Println(f.Sync(), m.SyncDir("/"))
	fmt.Fprint(f, "written\n")
	show(m.Crash(nil, vfs.CrashOptions{}), "/user.log") // the power goes off
	show(m.Kill(), "/user.log")                         // the process is killed
	// Output:
	// open /user.log: no such file or directory
	// <nil> <nil>
	// "synced\n" <nil>
	// "synced\nwritten\n" <nil>
}

func ExampleInject() {
	eio := errors.New("the disk is broken")
	fsys := vfs.Inject(vfs.NewMem(), vfs.Matching(vfs.Kinds(vfs.OpWrite), vfs.NthFails(2, vfs.Short(3, eio), false)))
	f, err := fsys.OpenFile("/user.log", os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for range 3 {
		fmt.Println(io.WriteString(f, "line\n"))
	}
	// Output:
	// 5 <nil>
	// 3 write /user.log: the disk is broken
	// 5 <nil>
}
