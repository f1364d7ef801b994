package pack_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"exhibit/internal/pack"
)

// The directory may say any size; what it says is looked at before it is believed.
func TestDirectoryWithImpossibleSizes(t *testing.T) {
	l, p := little(t)
	whole, _ := l.write(p)
	whole = rezip(t, unzip(t, whole)) // with descriptors behind the data
	entry := bytes.Index(whole, []byte("PK\x01\x02"))
	for _, size := range []uint32{0xf000_0000, uint32(len(whole)), uint32(len(whole)) + 1, 0} {
		hostile := bytes.Clone(whole)
		binary.LittleEndian.PutUint32(hostile[entry+20:], size)
		res, err := pack.Verify(t.Context(), bytes.NewReader(hostile), int64(len(hostile)), pack.Options{Key: l.keys[0].public})
		if err == nil && res.OK {
			t.Errorf("a first file of %d bytes in a pack of %d is said to be good", size, len(whole))
		}
	}
}
