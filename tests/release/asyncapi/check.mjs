// Reads a document on stdin; prints what the official parser has to say against it, and fails if it says an error.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

const { Parser } = createRequire(`${process.argv[2]}/`)("@asyncapi/parser")
const diagnostics = await new Parser().validate(readFileSync(0, "utf8"))
for (const { severity, code, message, path } of diagnostics) console.log(severity, code, path.join("."), message)
process.exitCode = diagnostics.some(({ severity }) => severity === 0) ? 1 : 0
