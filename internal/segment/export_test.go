package segment

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
)

// Sizes returns how many bytes each section of a sidecar takes.
func Sizes(x *Index) map[string]int64 {
	sizes := map[string]int64{}
	for id, e := range x.sections {
		sizes["s"+strconv.Itoa(int(id))] = e.size
	}
	return sizes
}

// Repair gives the sections of a sidecar the checksums of what they hold.
func Repair(b []byte) {
	if len(b) < headBytes+footBytes {
		return
	}
	foot := b[len(b)-footBytes:]
	at, count := binary.LittleEndian.Uint64(foot), int(binary.LittleEndian.Uint32(foot[8:]))
	end := len(b) - footBytes
	if count > maxSections || at > uint64(end) || end-int(at) != count*entryBytes {
		return
	}
	for i := range count {
		e := b[int(at)+i*entryBytes:]
		from, size := binary.LittleEndian.Uint64(e[8:]), binary.LittleEndian.Uint64(e[16:])
		if from <= at && size <= at-from {
			binary.LittleEndian.PutUint32(e[4:], crc32.Checksum(b[from:from+size], castagnoli))
		}
	}
	binary.LittleEndian.PutUint32(foot[12:], crc32.Checksum(b[at:end], castagnoli))
}

// ScopeRow returns row i of a scope; they ascend.
func (x *Index) ScopeRow(scope, i int) int {
	s := x.scopeSeries(scope)
	return int(min(s.atRest(i, s.b[s.rest():]), uint64(x.rows-1)))
}

// Used returns how many bytes the cache holds.
func (c *Cache) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}
