package schedule

import (
	"testing"

	"exhibit/internal/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }
