package maxmind_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/audit/access/maxmind"
)

// write makes a database with one network.
func write(t testing.TB, path, kind, network string, value mmdbtype.Map) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	require.NoError(t, err)
	_, n, err := net.ParseCIDR(network)
	require.NoError(t, err)
	require.NoError(t, tree.Insert(n, value))
	f, err := os.Create(path + ".new")
	require.NoError(t, err)
	_, err = tree.WriteTo(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.Rename(path+".new", path))
}

func city(name string) mmdbtype.Map {
	return mmdbtype.Map{
		"country": mmdbtype.Map{"iso_code": mmdbtype.String("AT")},
		"city":    mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String(name), "de": mmdbtype.String("x")}},
	}
}

func databases(t testing.TB) (cities, networks string) {
	t.Helper()
	dir := t.TempDir()
	cities, networks = filepath.Join(dir, "city.mmdb"), filepath.Join(dir, "asn.mmdb")
	write(t, cities, "GeoLite2-City", "203.0.113.0/24", city("Graz"))
	write(t, networks, "GeoLite2-ASN", "203.0.0.0/16", mmdbtype.Map{"autonomous_system_organization": mmdbtype.String("Example Net")})
	return cities, networks
}

func TestAttribute(t *testing.T) {
	cities, networks := databases(t)
	db, err := maxmind.Open(cities, networks)
	require.NoError(t, err)
	for addr, want := range map[string]access.Attribution{
		"203.0.113.7": {Country: "AT", City: "Graz", Network: "Example Net"},
		"203.0.1.1":   {Network: "Example Net"},
		"8.8.8.8":     {},
		"2001:db8::1": {},
	} {
		require.Equal(t, want, db.Attribute(netip.MustParseAddr(addr)), addr)
	}
	require.Equal(t, access.Attribution{}, db.Attribute(netip.Addr{}))

	req := httptest.NewRequest("GET", "/", nil)
	var got []access.Record
	h := access.New(func(r access.Record) { got = append(got, r) }, &access.Options{Attributor: db}).Middleware(http.NotFoundHandler())
	for _, addr := range []string{"203.0.113.7:1", "10.0.0.1:1"} {
		req.RemoteAddr = addr
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	require.Equal(t, "Graz", got[0].Origin.City)
	require.Equal(t, "LAN", got[1].Origin.Network)
}

func TestReload(t *testing.T) {
	cities, _ := databases(t)
	db, err := maxmind.Open(cities)
	require.NoError(t, err)
	addr := netip.MustParseAddr("203.0.113.7")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if db.Attribute(addr).Country != "AT" {
						t.Error("nothing found")
						return
					}
				}
			}
		})
	}
	for i := range 20 {
		write(t, cities, "GeoLite2-City", "203.0.113.0/24", city(fmt.Sprint("City ", i)))
		require.NoError(t, db.Reload())
		require.Equal(t, fmt.Sprint("City ", i), db.Attribute(addr).City)
	}
	require.NoError(t, os.WriteFile(cities, []byte("garbage"), 0o600))
	require.Error(t, db.Reload())
	require.Equal(t, "City 19", db.Attribute(addr).City, "what was there stays")
	close(stop)
	readers.Wait()
}

func TestOpenErrors(t *testing.T) {
	_, err := maxmind.Open()
	require.ErrorIs(t, err, maxmind.ErrNoFiles)
	_, err = maxmind.Open(filepath.Join(t.TempDir(), "none.mmdb"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// More addresses than are remembered, each asked for again and again.
func TestManyAddresses(t *testing.T) {
	cities, networks := databases(t)
	db, err := maxmind.Open(cities, networks)
	require.NoError(t, err)
	for range 2 {
		for i := range 20_000 {
			addr := netip.AddrFrom4([4]byte{203, 0, byte(113 + i/256%2), byte(i)})
			want := access.Attribution{Network: "Example Net"}
			if addr.As4()[2] == 113 {
				want.Country, want.City = "AT", "Graz"
			}
			require.Equal(t, want, db.Attribute(addr), addr)
			six := netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i / 256), 15: byte(i)})
			require.Equal(t, access.Attribution{}, db.Attribute(six), six)
		}
	}
}

// BenchmarkMiddleware is a request over the bare handler: from a thousand addresses
// in turn, and from addresses all over files that are as large as those one buys.
func BenchmarkMiddleware(b *testing.B) {
	cities, networks := large(b)
	db, err := maxmind.Open(cities, networks)
	require.NoError(b, err)
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	recorded := access.New(func(access.Record) {}, &access.Options{Attributor: db}).Middleware(next)
	remotes := make([]string, 1<<16)
	for i := range remotes {
		remotes[i] = fmt.Sprintf("%d.%d.%d.%d:1", 1+i%199, i/256, i*31%256, i%256)
	}
	for _, c := range []struct {
		name     string
		h        http.Handler
		distinct int
	}{{"bare", next, 1}, {"without", access.New(func(access.Record) {}, nil).Middleware(next), 1000}, {"seen", recorded, 1000}, {"new", recorded, len(remotes)}} {
		b.Run(c.name, func(b *testing.B) {
			req := httptest.NewRequest("GET", "/", nil)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				req.RemoteAddr = remotes[i%c.distinct]
				c.h.ServeHTTP(w, req)
			}
		})
	}
}

// large makes databases in which some 100,000 networks are of 5,000 places and 20,000
// owners.
func large(b *testing.B) (cities, networks string) {
	b.Helper()
	dir := b.TempDir()
	cities, networks = filepath.Join(dir, "city.mmdb"), filepath.Join(dir, "asn.mmdb")
	many(b, cities, "GeoLite2-City", 5_000, func(n int) mmdbtype.Map { return city(fmt.Sprint("City ", n)) })
	many(b, networks, "GeoLite2-ASN", 20_000, func(n int) mmdbtype.Map {
		return mmdbtype.Map{"autonomous_system_organization": mmdbtype.String(fmt.Sprint("Network ", n))}
	})
	return cities, networks
}

func many(b *testing.B, path, kind string, records int, value func(n int) mmdbtype.Map) {
	b.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, IncludeReservedNetworks: true})
	require.NoError(b, err)
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		a := random.Uint32()
		bits := 16 + random.IntN(9)
		network := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), bits).Masked()
		_, n, err := net.ParseCIDR(network.String())
		require.NoError(b, err)
		require.NoError(b, tree.Insert(n, value(random.IntN(records))))
	}
	f, err := os.Create(path)
	require.NoError(b, err)
	_, err = tree.WriteTo(f)
	require.NoError(b, err)
	require.NoError(b, f.Close())
}
