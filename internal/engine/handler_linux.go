package engine

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// A ClickHouse server logs the errors that end a connection's thread. The
// library, made for one query and no connections, has a handler in that place
// that terminates the process: one refused login, or one connection that a
// client resets (a killed client, a cancelled query), would be the end of the
// engine.
//
// That handler is a C++ object whose class can be found by its name in the run
// time type information, whatever the build: name <- type info <- virtual
// table. The table is { 0, type info, two destructors, exception(Poco::Exception),
// exception(std::exception), exception() }, by the ABI that every compiler on
// Linux follows. keepServing makes the last three a function that does nothing:
// the connection in question is closed by then, and nothing else is lost.

const (
	handlerName  = "19KillingErrorHandler" // a Poco::ErrorHandler
	handlerFirst = 4                       // words from the table's begin to the first exception()
	handlerCount = 3
	wordSize     = unsafe.Sizeof(uintptr(0))
)

// keepServing replaces the error handler of the loaded library. known is the
// address of the exported function that is called name.
func keepServing(lib, name string, known uintptr) error {
	f, err := elf.Open(lib)
	if err != nil {
		return err
	}
	defer f.Close()
	base, err := loadedAt(f, name, known)
	if err != nil {
		return err
	}
	text, err := findName(f)
	if err != nil {
		return err
	}
	section := f.Section(".data.rel.ro")
	if section == nil {
		return errors.New("no section .data.rel.ro")
	}
	begin := base + uintptr(section.Addr)
	words := unsafe.Slice((*uintptr)(pointer(begin)), uintptr(section.Size)/wordSize)
	table, err := findTable(words, begin, base+text)
	if err != nil {
		return err
	}
	nothing, err := purego.Dlsym(purego.RTLD_DEFAULT, "getpid") // takes whatever it is given and does nothing
	if err != nil {
		return err
	}
	slots := words[table+handlerFirst : table+handlerFirst+handlerCount]
	return overwrite(slots, nothing)
}

// pointer is an address outside of Go's memory as a pointer.
func pointer(address uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}

// loadedAt returns what must be added to the file's addresses.
func loadedAt(f *elf.File, name string, known uintptr) (uintptr, error) {
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return 0, err
	}
	for _, s := range symbols {
		if s.Name == name {
			return known - uintptr(s.Value), nil
		}
	}
	return 0, fmt.Errorf("no symbol %s", name)
}

// findName returns the address of the class's name in the file. The section is
// read, not looked at in memory: 70 MB should not become resident for this.
func findName(f *elf.File) (uintptr, error) {
	section := f.Section(".rodata")
	if section == nil {
		return 0, errors.New("no section .rodata")
	}
	want := []byte("\x00" + handlerName + "\x00")
	r := section.Open()
	buffer := make([]byte, 1<<20)
	for offset, kept := int64(0), 0; ; {
		n, err := io.ReadFull(r, buffer[kept:])
		if i := bytes.Index(buffer[:kept+n], want); i >= 0 {
			return uintptr(section.Addr) + uintptr(offset) + uintptr(i) + 1, nil
		}
		if err != nil {
			return 0, fmt.Errorf("class %s not found: %w", handlerName, err)
		}
		kept = len(want) - 1
		offset += int64(len(buffer) - kept)
		copy(buffer, buffer[len(buffer)-kept:])
	}
}

// findTable returns the index of the class's virtual table in words, which
// begin at address begin. Anything but exactly one is an error.
func findTable(words []uintptr, begin, name uintptr) (int, error) {
	at, err := only(words, name) // the second word of the type info
	if err != nil {
		return 0, fmt.Errorf("type info of class %s: %w", handlerName, err)
	}
	info := begin + uintptr(at-1)*wordSize
	at, err = only(words, info) // the second word of the table
	if err != nil {
		return 0, fmt.Errorf("table of class %s: %w", handlerName, err)
	}
	table := at - 1
	if words[table] != 0 || table+handlerFirst+handlerCount > len(words) {
		return 0, fmt.Errorf("table of class %s: not of the expected form", handlerName)
	}
	return table, nil
}

// only returns the index of the only word that has the value.
func only(words []uintptr, value uintptr) (int, error) {
	found := 0
	for i, word := range words {
		if word != value {
			continue
		}
		if found > 0 {
			return 0, errors.New("found twice")
		}
		found = i
	}
	if found == 0 { // the first word has nothing before it that it could belong to
		return 0, errors.New("not found")
	}
	return found, nil
}

// overwrite sets words that lie in memory which is read-only.
func overwrite(words []uintptr, value uintptr) error {
	page := uintptr(os.Getpagesize())
	first := uintptr(unsafe.Pointer(&words[0])) &^ (page - 1)
	last := uintptr(unsafe.Pointer(&words[len(words)-1])) + wordSize
	pages := unsafe.Slice((*byte)(pointer(first)), (last-first+page-1)&^(page-1))
	if err := unix.Mprotect(pages, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	for i := range words {
		words[i] = value
	}
	return unix.Mprotect(pages, unix.PROT_READ)
}
