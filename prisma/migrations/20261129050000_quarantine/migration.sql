-- AlterTable
ALTER TABLE "Shard" ADD COLUMN     "furthestStep" BIGINT;

-- AlterTable
ALTER TABLE "Stage" ADD COLUMN     "waitsFor" TEXT;

-- CreateTable
CREATE TABLE "Quarantine" (
    "id" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "error" TEXT NOT NULL,
    "tries" INTEGER NOT NULL,
    "retryAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Quarantine_pkey" PRIMARY KEY ("id")
);

-- AddForeignKey
ALTER TABLE "Quarantine" ADD CONSTRAINT "Quarantine_id_fkey" FOREIGN KEY ("id") REFERENCES "Run"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
