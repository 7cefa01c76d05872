<?php
// Prints what json_encode writes: value, text.

function show($name, $value) { echo $name, "\t", json_encode($value), "\n"; }

echo "versions\tPHP ", PHP_VERSION, "\n";
show('empty array', []);
show('empty object', (object)[]);
show('float with a fraction of zero', 2.0);
echo "float kept\t", json_encode(2.0, JSON_PRESERVE_ZERO_FRACTION), "\n";
show('atom', (new DateTimeImmutable('2025-10-08T15:30:22+02:00'))->format(DATE_ATOM));
show('rfc3339 extended', (new DateTimeImmutable('2025-10-08T15:30:22.456789Z'))->format(DATE_RFC3339_EXTENDED));
show('object of a time', new DateTimeImmutable('2025-10-08T15:30:22.456789Z'));
show('microtime', 1759937422.4569);
