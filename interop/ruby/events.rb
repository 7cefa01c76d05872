# Sends the events by Net::HTTP, as Ruby's json writes them. Those for Kafka are told only: a client of it carries them.
require "bigdecimal"
require "json"
require "net/http"
require "time"

AT = Time.at(1_759_937_422, 456_789_012, :nsec).utc
MS = 1_759_937_422_456
EVENTS = {
  plain: { payload: { path: "/start" }, timestamp: MS },
  time: { payload: {}, timestamp: AT },
  iso8601: { payload: {}, timestamp: AT.iso8601(9) },
  money: {
    family: "product", timestamp: MS,
    payload: { productId: "p", productName: "n", price: BigDecimal("129.99"), quantity: 2.0 },
  },
  seq: { payload: { seq: 1.0 }, timestamp: MS },
  null: { payload: nil, timestamp: MS },
  empty: { payload: {}, timestamp: MS },
  text: { payload: { text: "Grüße, 世界 👋 </a> \u2028 \"\\" }, timestamp: MS },
}

def each_event(client, via, id)
  EVENTS.each do |label, event|
    name = [client, "ruby-json", via, label].join("/")
    yield name, JSON.generate({ id => name, userId: name, type: "interop", **event })
  end
end

puts "version\truby-json\t#{JSON::VERSION} (Ruby #{RUBY_VERSION})", "version\tNet::HTTP\tRuby #{RUBY_VERSION}"
door = URI("#{ENV.fetch("DOOR")}/events")
each_event("Net::HTTP", "http", "eventId") do |name, text|
  answer = Net::HTTP.post(door, text, "Content-Type" => "application/json")
  puts ["sent", name, text, "#{answer.code} #{answer.body}"].join("\t")
end
each_event("carried", "kafka", "id") { |name, text| puts ["carry", name, text].join("\t") }
