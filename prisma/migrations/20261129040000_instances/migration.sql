-- AlterTable
ALTER TABLE "Attempt" ADD COLUMN     "instance" TEXT;

-- AlterTable
ALTER TABLE "Node" ADD COLUMN     "instance" TEXT,
ADD COLUMN     "instanceSince" TIMESTAMPTZ(3);
