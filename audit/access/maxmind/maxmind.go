// Package maxmind attributes addresses by MaxMind's database files (GeoIP2 and
// GeoLite2: City or Country, and ASN or ISP). It is a module of its own, so that
// those who do not need it do not get its dependencies.
//
//	db, err := maxmind.Open("GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb")
//	recorder := access.New(record, &access.Options{Attributor: db})
package maxmind

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/steplog/steplog/audit/access"
)

// ErrNoFiles is returned by Open without files.
var ErrNoFiles = errors.New("maxmind: no database files")

// DB attributes addresses. It implements [access.Attributor] and is safe for
// concurrent use.
type DB struct {
	files   []string // immutable
	loading sync.Mutex
	loaded  atomic.Pointer[databases]
}

// databases are files as they were read once, and what was found in them last.
type databases struct {
	readers []*maxminddb.Reader // immutable
	found   [places]atomic.Pointer[finding]
}

// places is how many addresses are remembered, some 150 bytes each: each in the
// one place that its hash says, where it takes that of the one before. Those who
// ask once ask again, and a search reads all over a file.
const places = 4096

// finding is what is known of an address; immutable.
type finding struct {
	address     netip.Addr
	attribution access.Attribution
}

// Open reads one or more database files into memory. What one does not know of an
// address the next may. The files may be replaced afterwards; see [DB.Reload].
func Open(files ...string) (*DB, error) {
	if len(files) == 0 {
		return nil, ErrNoFiles
	}
	db := &DB{files: append([]string(nil), files...)}
	if err := db.Reload(); err != nil {
		return nil, err
	}
	return db, nil
}

// Reload reads the files again. Requests meanwhile, and after an error, are
// attributed by what was read before.
func (db *DB) Reload() error {
	db.loading.Lock()
	defer db.loading.Unlock()
	loaded := &databases{}
	for _, name := range db.files {
		// In memory and not mapped: a file that is replaced in place must not
		// change, or end, under a reader.
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("maxmind: %w", err)
		}
		r, err := maxminddb.OpenBytes(text)
		if err != nil {
			return fmt.Errorf("maxmind: %s: %w", name, err)
		}
		loaded.readers = append(loaded.readers, r)
	}
	db.loaded.Store(loaded)
	return nil
}

// place is what is read of a database; the files have more.
type place struct {
	Country struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	City struct {
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"city"`
	Organization string `maxminddb:"autonomous_system_organization"`
	ISP          string `maxminddb:"isp"`
}

// Attribute returns what the files know of an address. City names are English.
func (db *DB) Attribute(a netip.Addr) access.Attribution {
	if !a.IsValid() {
		return access.Attribution{}
	}
	d := db.loaded.Load()
	at := &d.found[placeOf(a)]
	if f := at.Load(); f != nil && f.address == a {
		return f.attribution
	}
	f := &finding{address: a, attribution: d.search(a)}
	at.Store(f)
	return f.attribution
}

// placeOf spreads addresses over the places; neighbours come to lie apart.
func placeOf(a netip.Addr) uint64 {
	b := a.As16()
	h := binary.BigEndian.Uint64(b[:8])*0x9E3779B97F4A7C15 + binary.BigEndian.Uint64(b[8:])
	return h * 0x9E3779B97F4A7C15 >> 32 % places // 2^64 by the golden ratio (Knuth, The Art of Computer Programming 6.4)
}

// search reads the files.
func (d *databases) search(a netip.Addr) access.Attribution {
	var p place
	for _, r := range d.readers {
		if r.Lookup(a).Decode(&p) != nil {
			continue // a damaged record; the other files may know
		}
	}
	found := access.Attribution{Country: p.Country.ISOCode, City: p.City.Names.English, Network: p.Organization}
	if found.Network == "" {
		found.Network = p.ISP
	}
	return found
}
