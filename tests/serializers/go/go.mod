module serializers

go 1.24

require (
	github.com/shopspring/decimal v1.4.0
	google.golang.org/protobuf v1.36.10
)
