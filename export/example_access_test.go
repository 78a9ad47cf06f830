package export_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/query"
)

func ExampleAccessCSV() {
	store := example()
	defer store.Close()
	handler := store.Access().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), "ada", "ACME")
	}))
	request := httptest.NewRequest("GET", "/flows", nil)
	request.Header.Set("User-Agent", "=1+1") // a spreadsheet would compute it
	handler.ServeHTTP(httptest.NewRecorder(), request)

	requests := store.Query().AllAccess(context.Background(), query.AccessFilter{Tenant: "ACME"})
	n, err := export.AccessCSV(os.Stdout, requests, &export.CSVOptions{Columns: []string{"account", "method", "path", "status", "user_agent"}})
	fmt.Println(n, err)
	// Output:
	// account,method,path,status,user_agent
	// ada,GET,/flows,200,'=1+1
	// 1 <nil>
}
