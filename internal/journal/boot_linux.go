package journal

import (
	"os"
	"strings"
)

// bootID identifies the running system: it changes with every start.
func bootID() string {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // every process that died then counts as a power loss
	}
	return strings.TrimSpace(string(raw))
}
