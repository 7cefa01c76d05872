// Prints what Go's serializers write: value, text.
package main

import (
	"encoding/json"
	"fmt"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func show(name string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\t%s\n", name, text)
}

func main() {
	info, _ := debug.ReadBuildInfo()
	versions := []string{"Go " + strings.TrimPrefix(info.GoVersion, "go")}
	for _, module := range info.Deps {
		if name := path.Base(module.Path); name == "decimal" || name == "protobuf" {
			versions = append(versions, name+" "+strings.TrimPrefix(module.Version, "v"))
		}
	}
	fmt.Printf("versions\t%s\n", strings.Join(versions, ", "))
	last := time.Date(2025, 12, 31, 23, 59, 59, 999999999, time.UTC)
	show("time", last)
	show("time in a zone", time.Date(2025, 10, 8, 15, 30, 0, 0, time.FixedZone("", 7200)))
	show("nil map", map[string]any(nil))
	show("float", float64(1759937422457))
	show("large float", 1e21)
	show("sum of floats", map[string]any{"sum": add(0.1, 0.2)})
	show("number as it was", map[string]any{"n": json.Number("9007199254740993.25")})
	show("large integers", map[string]any{"min": int64(-1 << 63), "max": ^uint64(0)})
	show("decimal", decimal.RequireFromString("129.99"))
	show("unix seconds", last.Unix())
	show("unix microseconds", last.UnixMicro())
	show("unix nanoseconds", last.UnixNano())
	whole, err := protojson.Marshal(wrapperspb.Int64(1759937422457))
	if err != nil {
		panic(err)
	}
	fmt.Printf("protojson int64\t%s\n", whole)
	stamp, err := protojson.Marshal(timestamppb.New(last))
	if err != nil {
		panic(err)
	}
	fmt.Printf("protojson timestamp\t%s\n", stamp)
}

func add(a, b float64) float64 { return a + b }
