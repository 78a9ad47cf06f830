// Package maxmind attributes addresses by MaxMind's database files (GeoIP2 and
// GeoLite2: City or Country, and ASN or ISP). It is a module of its own, so that
// those who do not need it do not get its dependencies.
//
//	db, err := maxmind.Open("GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb")
//	recorder := access.New(record, &access.Options{Attributor: db})
package maxmind

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
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

// databases are files as they were read once, and the answers given last.
type databases struct {
	files   []*database // immutable
	seed    maphash.Seed
	answers [answers]atomic.Pointer[answer]
}

// answer is what the files know of an address; immutable. To find it in the files
// takes a step for each bit of the address, in memory that is seldom in a cache.
type answer struct {
	address netip.Addr
	access.Attribution
}

// database is a file, and the records of it that were decoded last. Files have far
// fewer records than networks, and to decode one takes longer than to find it.
type database struct {
	reader  *maxminddb.Reader // immutable
	decoded [records]atomic.Pointer[record]
}

// So many answers are remembered, and so many records of a file, some 100 bytes each:
// each in the one place that its hash says, where it takes that of the one before. Of a
// thousand addresses in turn 6 % share their place with another.
const (
	answers = 1 << 14
	records = 1 << 12
)

// record is what is read of a record of a database; immutable.
type record struct {
	offset uintptr
	access.Attribution
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
	loaded := &databases{seed: maphash.MakeSeed()}
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
		loaded.files = append(loaded.files, &database{reader: r})
	}
	db.loaded.Store(loaded)
	return nil
}

// fields are what is read of a record; the files have more.
type fields struct {
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

// Attribute returns what the files know of an address: each detail from the first
// that has it. City names are English.
func (db *DB) Attribute(a netip.Addr) access.Attribution {
	if !a.IsValid() {
		return access.Attribution{}
	}
	loaded := db.loaded.Load()
	place := &loaded.answers[maphash.Comparable(loaded.seed, a)%answers]
	known := place.Load()
	if known == nil || known.address != a {
		known = &answer{a, loaded.attribute(a)}
		place.Store(known)
	}
	return known.Attribution
}

func (loaded *databases) attribute(a netip.Addr) (found access.Attribution) {
	for _, d := range loaded.files {
		at := d.reader.Lookup(a)
		if !at.Found() {
			continue
		}
		r := d.record(at)
		found.Country = cmp.Or(found.Country, r.Country)
		found.City = cmp.Or(found.City, r.City)
		found.Network = cmp.Or(found.Network, r.Network)
	}
	return found
}

// record returns what stands in the record that was found.
func (d *database) record(at maxminddb.Result) *record {
	offset := at.Offset()
	place := &d.decoded[uint64(offset)*0x9E3779B97F4A7C15>>32%records] // 2^64 by the golden ratio (Knuth, The Art of Computer Programming 6.4)
	if r := place.Load(); r != nil && r.offset == offset {
		return r
	}
	r := &record{offset: offset}
	var p fields
	if at.Decode(&p) == nil { // of a damaged record nothing is known; other files may know
		r.Attribution = access.Attribution{Country: p.Country.ISOCode, City: p.City.Names.English, Network: cmp.Or(p.Organization, p.ISP)}
	}
	place.Store(r)
	return r
}
