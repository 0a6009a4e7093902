// Judges a file by the schema of SARIF 2.1.0: `node sarif.mjs FILE`.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const within = createRequire(createRequire(import.meta.url).resolve('@microsoft/jest-sarif'))
const Ajv = within('ajv')
const ajv = new Ajv({ schemaId: 'auto', validateSchema: false, allErrors: true })
ajv.addMetaSchema(within('ajv/lib/refs/json-schema-draft-04.json'))
const good = ajv.validate(within('./schemas/sarif-2.1.0-rtm.5.json'), JSON.parse(readFileSync(process.argv[2], 'utf8')))
if (!good) {
  console.error(JSON.stringify(ajv.errors, null, 1))
  process.exit(1)
}
