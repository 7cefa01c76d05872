<?php
// Sends the events by curl, as json_encode writes them. Those for Kafka are told only: a client of it carries them.

$at = new DateTimeImmutable('2025-10-08T15:30:22.456789Z');
$ms = 1759937422456;
$events = [
    'plain' => ['payload' => ['path' => '/start'], 'timestamp' => $ms],
    'time' => ['payload' => (object)[], 'timestamp' => $at],
    'atom' => ['payload' => (object)[], 'timestamp' => $at->format(DATE_RFC3339_EXTENDED)],
    'money' => ['family' => 'product', 'timestamp' => $ms,
        'payload' => ['productId' => 'p', 'productName' => 'n', 'price' => 129.99, 'quantity' => 2.0]],
    'seq' => ['payload' => ['seq' => 1.0], 'timestamp' => $ms],
    'null' => ['payload' => null, 'timestamp' => $ms],
    'array' => ['payload' => [], 'timestamp' => $ms],
    'empty' => ['payload' => (object)[], 'timestamp' => $ms],
    'text' => ['payload' => ['text' => "Grüße, 世界 👋 </a> \u{2028} \"\\"], 'timestamp' => $ms],
];

function each_event(array $events, string $client, string $via, string $id): Generator
{
    foreach ($events as $label => $event) {
        $name = "$client/json_encode/$via/$label";
        yield $name => json_encode([$id => $name, 'userId' => $name, 'type' => 'interop'] + $event);
    }
}

echo "version\tjson_encode\tPHP ", PHP_VERSION, "\nversion\tphp-curl\t", curl_version()['version'], "\n";
foreach (each_event($events, 'php-curl', 'http', 'eventId') as $name => $text) {
    $request = curl_init(getenv('DOOR') . '/events');
    curl_setopt_array($request, [
        CURLOPT_POSTFIELDS => $text,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $answer = curl_exec($request);
    echo "sent\t$name\t$text\t", curl_getinfo($request, CURLINFO_RESPONSE_CODE), " $answer\n";
}
foreach (each_event($events, 'carried', 'kafka', 'id') as $name => $text) {
    echo "carry\t$name\t$text\n";
}
