package mask_test

import (
	"encoding/base64"
	"fmt"

	"github.com/steplog/steplog/internal/mask"
)

func ExampleNew() {
	m := mask.New([]string{"customer_number"})
	if err := m.AddSecret("hunter22"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(m.Key("dbPassword"), m.Key("Customer-Number"), m.Key("rows"))
	fmt.Println(m.Mask("curl -u me:hunter22 example.com"))
	fmt.Println(m.Mask("Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:hunter22"))))
	// Output:
	// true true false
	// curl -u me:*** example.com true
	// Authorization: Basic bWU6*** true
}
