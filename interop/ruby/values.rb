# Prints what Ruby's json writes: value, text.

require "json"
require "bigdecimal"
require "time"

def show(name, value) = puts("#{name}\t#{JSON.generate(value)}")

puts "versions\tRuby #{RUBY_VERSION}, json #{JSON::VERSION}, bigdecimal #{BigDecimal::VERSION}"
show("big decimal", BigDecimal("129.99"))
show("zero", BigDecimal("0"))
show("float", 1759937422457.0)
show("large float", 1e16)
show("iso8601", Time.utc(2025, 10, 8, 15, 30, 22).iso8601)
show("iso8601 in ns", Time.new(2025, 10, 8, 15, 30, Rational(22_456_999_999, 10**9), "+02:00").iso8601(9))
show("seconds", Time.utc(2025, 10, 8, 15, 30, 22).to_i)
show("time", Time.utc(2025, 10, 8, 15, 30, 22))
