package rotation_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/steplog/steplog/rotation"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	file, err := rotation.Open(filepath.Join(dir, "orders.log"), &rotation.Options{
		Rule:    rotation.Rule{MaxBytes: 40, MaxFiles: 20, Compression: rotation.None},
		OnClose: func(info rotation.Info) { fmt.Println("closed", info.Name) },
		Clock:   func() time.Time { return time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprintln(file, "the first line of the log")
	fmt.Fprintln(file, "this one would not fit") // so it goes to a new file

	// Every limit can be changed while the file is written.
	err = file.SetRule(rotation.Rule{MaxBytes: 1 << 20, MaxAge: 30 * 24 * time.Hour})
	fmt.Println(file.Rule().MaxBytes, file.Size(), err)
	fmt.Println(file.Close())
	// Output:
	// closed orders-2026-11-21T02-03-04.000.log
	// 1048576 23 <nil>
	// <nil>
}

func ExampleOpenFolder() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file, err := rotation.Open(filepath.Join(dir, "orders.log"), &rotation.Options{
		Clock: func() time.Time { return time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 100 {
		fmt.Fprintf(file, "line %d\n", i+1)
	}
	fmt.Println(file.Rotate())
	fmt.Fprintln(file, "line 101")
	fmt.Println(file.Close())

	folder, err := rotation.OpenFolder(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer folder.Close()
	files, err := folder.List()
	fmt.Println(len(files), files[0].Log, files[1].Name, files[1].Active, err)

	// A closed file is read in the same way whether it is compressed or not.
	closed := "orders-2026-11-21T02-03-04.000.log"
	last, err := folder.Tail(closed, 2)
	fmt.Println(last, err)
	some, err := folder.Lines(closed, 50, 1)
	fmt.Println(some, err)
	fmt.Println(folder.Delete(context.Background(), closed))
	fmt.Println(folder.Delete(context.Background(), "orders.log"))
	// Output:
	// <nil>
	// <nil>
	// 2 orders orders.log true <nil>
	// [line 99 line 100] <nil>
	// [line 50] <nil>
	// <nil>
	// delete "orders.log": rotation: the active file cannot be deleted
}

func ExampleRule_Validate() {
	fmt.Println(rotation.Rule{MaxFiles: 10}.Validate())
	fmt.Println(rotation.Rule{MaxFiles: -1}.Validate())
	// Output:
	// <nil>
	// rotation: invalid rule: MaxFiles is -1, below 0
}
