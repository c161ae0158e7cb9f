// Package runtime keeps what the host writes where the garbage collector leaves it.
package runtime

import (
	"runtime"
	"unsafe"
)

// Holds what the host has written since the last Unpin.
var pinner runtime.Pinner

// Before Go's own runtime has started nothing can be allocated in it, and the adapter for WASI asks for its memory
// then. That comes from here, and is never given back.
var (
	hasStarted bool
	early      [256 << 10]byte
	earlyUsed  uintptr
)

func init() { hasStarted = true }

// Allocate gives memory that stays where it is for as long as the pinner holds it. Its alignment is that of any type
// of WIT.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return unsafe.Pointer(align)
	}
	words := make([]uint64, (size+7)/8)
	at := unsafe.Pointer(unsafe.SliceData(words))
	pinner.Pin(at)
	return at
}

// Unpin lets go of what the host has written.
func Unpin() { pinner.Unpin() }

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	if !hasStarted {
		return allocateEarly(uintptr(align), uintptr(size))
	}
	at := Allocate(&pinner, uintptr(size), uintptr(align))
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(at), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return at
}

func allocateEarly(align, size uintptr) unsafe.Pointer {
	start := uintptr(unsafe.Pointer(&early))
	at := (start + earlyUsed + align - 1) &^ (align - 1)
	earlyUsed = at + size - start
	if earlyUsed > uintptr(len(early)) {
		panic("more memory is needed than there is before the start")
	}
	return unsafe.Pointer(at)
}
