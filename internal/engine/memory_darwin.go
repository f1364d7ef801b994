package engine

import "golang.org/x/sys/unix"

// machineMemory is the machine's memory; 0 when it cannot be read.
func machineMemory() uint64 {
	memory, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return memory
}
